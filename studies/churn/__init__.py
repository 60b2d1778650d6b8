"""The churn study: the incident with each of its switches alone, in many seeds, and what that says.

An *arm* (`arms.py`) is a scenario with overrides that change one factor. One arm with one seed is one run, and gives a
`Row` of flat figures and the `Moves` of its targets (`rows.py`). A `Study` is all rows and moves of a folder:

- `arms.ARMS`, `arms.LONG`, `arms.Group`: what is run; `arms.INCIDENT`: the rows of the source; `arms.LAYERS`:
  what each of them is turned on by.
- `rows.Row`, `rows.Move`, `rows.Mark`, `rows.Study`: what came of it, as plain frozen structs.
- `folder.read_study(folder)`: a study that `makerlab study churn --out FOLDER` has written.
- `frontier.Point`: calls and nearness of a rule, and whether any other one beats it.
- `tables.sheets(study)`: what it says, as titles, heads and rows of text, for terminal, page and notebook alike.

Beside its files of single runs a folder holds `runs.parquet`, `timeline.parquet` and `moves.parquet`: the same rows.
"""
