"""Ask a running web server to reload our code location, so that a new document becomes a job."""

import json
import os
import urllib.error
import urllib.request

from chimera_pipelines.errors import ChimeraError

# Set by `chimera dev`; set it by hand where `dagster-webserver` runs elsewhere.
WEBSERVER_VARIABLE = "CHIMERA_WEBSERVER"
LOCATION = "chimera_pipelines"
TIMEOUT_SECONDS = 30

_MUTATION = """mutation($name: String!) { reloadRepositoryLocation(repositoryLocationName: $name) {
  __typename ... on PythonError { message } ... on RepositoryLocationNotFound { message }
  ... on ReloadNotSupported { message } ... on UnauthorizedError { message }
  ... on WorkspaceLocationEntry { loadStatus } } }"""


def webserver() -> str | None:
    """Base URL of the web server, if it is known to this process."""
    return os.environ.get(WEBSERVER_VARIABLE)


def reload_location(url: str, location: str = LOCATION) -> None:
    """Reload the code location through GraphQL.

    Raises:
        ChimeraError: CHIM608, the web server does not answer or refuses.
    """
    body = json.dumps({"query": _MUTATION, "variables": {"name": location}}).encode()
    request = urllib.request.Request(  # noqa: S310 - the operator's own URL
        f"{url.rstrip('/')}/graphql", body, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
            answer = json.load(response)
    except (OSError, ValueError, urllib.error.URLError) as error:
        raise ChimeraError(
            "CHIM608",
            f"no web server at '{url}': {error}",
            hint=f"set {WEBSERVER_VARIABLE}, or press Reload",
        ) from error
    found = (answer.get("data") or {}).get("reloadRepositoryLocation") or {}
    if found.get("__typename") != "WorkspaceLocationEntry":
        message = found.get("message") or answer.get("errors")
        raise ChimeraError("CHIM608", f"'{location}' was not reloaded: {message}")
