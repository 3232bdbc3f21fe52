"""What a test of a fleet notes, and the works of toys that it gives."""

from __future__ import annotations

from tests.heads.agents import until


class Notes:
    """Events in the order in which they were told."""

    def __init__(self):
        self.told = []

    def up(self, head, incarnation):
        self.told.append(("up", head, incarnation))

    def frame(self, head, message):
        self.told.append((message.frame["is"], head, message.frame))

    def down(self, head, death):
        self.told.append(("down", head, death))

    def broken(self, error):
        self.told.append(("broken", None, error))

    def of(self, what):
        return [told for is_, _, told in list(self.told) if is_ == what]

    def wait(self, what, count=1):
        return until(f"{count} {what}", lambda: self.of(what)[count - 1 : count] or None)[0]

    def frames_of(self, work):
        return [
            (is_, told.get("key"))
            for is_, _, told in self.told
            if is_ in {"start", "end", "rest"} and told.get("work") == work
        ]


def give(fleet, head, work, *steps, **more):
    return fleet.perform(head, work, "toy", {"steps": [list(step) for step in steps]}, **more)


def begun(notes, work, key):
    until(f"{key} of {work}", lambda: ("start", key) in notes.frames_of(work))
