"""Events and commands: every one survives the journal, none is forgotten, none can be changed."""

import typing
from enum import Enum

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import commands, events
from domain.commands import AnyAction, AnyCommand, Request
from domain.errors import ConfigError, InvariantViolation, Problem
from domain.events import AnyEvent, AnyResult, Replied

EVENTS = typing.get_args(AnyEvent)
COMMANDS = typing.get_args(AnyCommand)
RESULTS = typing.get_args(AnyResult)
ACTIONS = typing.get_args(AnyAction)


def of_type(kind) -> st.SearchStrategy:  # noqa: PLR0911 - one line per kind of annotation
    """Any value of an annotation that occurs in a message."""
    while hasattr(kind, "__supertype__"):
        kind = kind.__supertype__
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return st.lists(of_type(args[0]), max_size=3).map(tuple)
        return st.tuples(*(of_type(arg) for arg in args))
    if args:
        return st.one_of([of_type(arg) for arg in args])
    if kind is type(None):
        return st.none()
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = msgspec.structs.fields(kind)
        return st.builds(kind, **{field.name: of_type(field.type) for field in fields})
    return {
        bool: st.booleans(),
        int: st.integers(-(2**62), 2**62),
        float: st.floats(allow_nan=False, allow_infinity=False),
        str: st.text(max_size=8),
    }[kind]


def survives(message, union) -> None:
    for codec in (msgspec.json, msgspec.msgpack):
        back = codec.decode(codec.encode(message), type=union)
        assert back == message
        assert type(back) is type(message)


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@settings(max_examples=max(settings.default.max_examples // 10, 1))
@given(data=st.data())
def test_every_event_survives_the_journal(kind, data):
    """Protects replay: type, fields and nested results come back equal from the union alone."""
    survives(data.draw(of_type(kind)), AnyEvent)


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
@settings(max_examples=max(settings.default.max_examples // 10, 1))
@given(data=st.data())
def test_every_command_survives_the_journal(kind, data):
    """Protects replay: recorded decisions are compared with recomputed ones."""
    survives(data.draw(of_type(kind)), AnyCommand)


@pytest.mark.parametrize(
    ("module", "root", "listed"),
    [
        (events, events.Event, EVENTS),
        (events, events.Result, RESULTS),
        (commands, commands.Command, COMMANDS),
        (commands, commands.Action, ACTIONS),
    ],
    ids=["events", "results", "commands", "actions"],
)
def test_every_message_is_in_its_union(module, root, listed):
    """Protects against a message that the journal cannot read back because nobody listed it."""
    defined = {
        kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, root) and kind is not root
    }
    assert defined == set(listed)


@pytest.mark.parametrize("kind", [*EVENTS, *COMMANDS, *RESULTS, *ACTIONS], ids=lambda kind: kind.__name__)
def test_messages_are_frozen(kind):
    """Nobody changes a message after making it."""
    assert kind.__struct_config__.frozen
    assert kind.__struct_config__.tag == kind.__name__


def test_results_and_actions_keep_their_order():
    """Replies are matched to actions by position."""
    results = (events.Cancelled(), events.Refused(events.Reason.NOT_OPEN, "gone"), events.Cancelled())
    reply = Replied(events.RequestId(1), events.Ns(2), results)
    assert msgspec.json.decode(msgspec.json.encode(reply), type=AnyEvent).results == results
    actions = (commands.QueryOrder(commands.Cloid("0x1")), commands.QueryOpenOrders())
    request = Request(events.RequestId(1), commands.Route.REST, events.Epoch(0), None, actions)
    assert msgspec.json.decode(msgspec.json.encode(request), type=AnyCommand).actions == actions


def test_every_channel_has_one_feed():
    """Protects the routing of Subscribed: market data on MARKET, everything of the account on USER."""
    market = {kind for kind in events.ChannelKind if kind.feed is events.Feed.MARKET}
    kinds = events.ChannelKind
    assert market == {kinds.BBO, kinds.BOOK, kinds.TRADES, kinds.CONTEXT}


def test_the_problems_of_a_config_are_told_together():
    """The user's mistake is one error that lists every problem with its path."""
    error = ConfigError([Problem("a.b", "-1", "a positive number"), Problem("c", "x", "y")])
    assert str(error) == "a.b: found -1, want a positive number\nc: found x, want y"
    told = InvariantViolation("S2", "twice", ("7",), "once upon a time")
    assert (told.name, told.keys) == ("S2", ("7",))
    assert str(told) == "S2: twice\nonce upon a time"
