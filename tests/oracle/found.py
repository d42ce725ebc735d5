"""The cases that every run plays: what chance found once, and what is known to be hard. Prints them as cases.py does.

A file of found/ is a case by hand: times in milliseconds from its beginning, readings good unless they say otherwise,
points fresh for long. `tells` is every event, and what outputs do, as people would write it.
"""

import json
import pathlib
import tomllib

import evaluator

BEGINS = 1_767_225_600_000


def case(file):
    begins = file.get("begins", BEGINS)
    points = []
    for name, table in file["points"].items():
        points.append({"name": name, "max_age": 1_000_000, "switch": False, "output": False, **table})
    steps = []
    for step in file["steps"]:
        times = {key: begins + step[key] for key in ("t", "until", "down", "at") if key in step}
        reads = {"quality": "good", "value": None} if "read" in step or "late" in step else {"by": "li", "comment": "why"} if "do" in step else {}
        steps.append({**reads, **step, **times})
    files = {"points": points, "rules": file["rules"], "site": file.get("site", "")}
    return {"begins": begins, **files, "changes": [files | change for change in file.get("changes", [])], "steps": steps}


if __name__ == "__main__":
    for path in sorted((pathlib.Path(__file__).parent / "found").glob("*.toml")):
        file = tomllib.loads(path.read_text(encoding="utf-8"))
        played = case(file)
        print(json.dumps({"name": path.stem, "case": played, "told": evaluator.play(played), "tells": file["tells"]}), flush=True)
