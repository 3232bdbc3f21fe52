from __future__ import annotations

from chimera_pipelines.cli.key_notice import signed_by


def test_a_document_without_history_is_signed_by_nobody(home, chain):
    assert home.is_dir()
    assert signed_by(chain) == set()


def test_the_gateway_and_the_heads_that_ran_have_signed(chimera, chain):
    assert chimera("run", chain).code == 0
    holders = {
        key["key"]: key["holder"].rsplit("/", 1)[1]
        for key in chimera("keys", "list", "--json").json["keys"]
    }
    assert {holders[key] for key in signed_by(chain)} >= {"default", "HEAD_3"}
