"""The protocol's model: every interleaving of a small world, to a stated bound.

The ledger's statements, its callers, dispatchers, workers, operators and the
faults between them are moves of a small immutable world (`world.py`). `explore.py`
visits every world that the moves can reach and looks for one that breaks an
invariant of DESIGN §1, or from which the jobs can no longer end. What a verb does
to a job is not modelled but called: `celeriac.jobs.states` and `celeriac.jobs.outcomes`.

`python -m tests.model` prints the bounds and the mutants (`rules.py`: the same
protocol with one rule left out), each of which has to be caught.
"""
