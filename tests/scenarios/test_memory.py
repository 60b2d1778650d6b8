"""What is remembered has a bound."""

from collections import OrderedDict

from scenarios.memory import keep


def test_the_oldest_is_forgotten():
    """A key that is told again keeps its place, and its value is the new one."""
    memory = OrderedDict()
    for key in "abac":
        keep(memory, key, key * 2, 2)
    assert list(memory.items()) == [("b", "bb"), ("c", "cc")]
    keep(memory, "b", "new", 2)
    assert list(memory.items()) == [("b", "new"), ("c", "cc")]
