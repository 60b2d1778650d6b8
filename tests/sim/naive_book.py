"""The twin of `sim.liquidity.book`: one plain list, searched from end to end for every question.

Written from the rules, not from the book, and too slow for anything but tests. It shares no code
with the book: orders are dictionaries in a list in the order of their arrival.
"""


class NaiveBook:
    def __init__(self, *, lifo=False, watched=()):
        self.lifo = lifo
        self.watched = set(watched)
        self.resting = []

    def queue(self, side):
        """Everything that rests on a side, in the order in which takers meet it."""
        arrived = [order for order in self.resting if order["side"] == side]
        if self.lifo:
            arrived.reverse()
        return sorted(arrived, key=lambda order: -side * order["px"])  # stable: arrival decides inside a price

    def dump(self):
        return [tuple(o[k] for k in ("side", "px", "oid", "account", "sz")) for s in (1, -1) for o in self.queue(s)]

    def levels(self, side):
        prices = list(dict.fromkeys(order["px"] for order in self.queue(side)))
        at = {
            px: [order["sz"] for order in self.resting if (order["side"], order["px"]) == (side, px)] for px in prices
        }
        return [(px, sum(at[px]), len(at[px])) for px in prices]

    def find(self, oid):
        return next((order for order in self.resting if order["oid"] == oid), None)

    def depth_ahead(self, oid):
        order = self.find(oid)
        queue = [other for other in self.queue(order["side"]) if other["px"] == order["px"]]
        return sum(other["sz"] for other in queue[: queue.index(order)])

    def reachable(self, side, limit):
        """Orders that a taker may trade with, in the order in which it meets them."""
        return [o for o in self.queue(-side) if limit is None or (o["px"] - limit) * side <= 0]

    def add(self, oid, account, side, px, sz):
        self.resting.append({"oid": oid, "account": account, "side": side, "px": px, "sz": sz})

    def remove(self, oid):
        self.resting.remove(self.find(oid))

    def reduce(self, oid, by):
        order = self.find(oid)
        order["sz"] -= by
        if order["sz"] == 0:
            self.resting.remove(order)

    def match(self, side, limit, sz, taker="", admit=None):
        """What remains; executions (oid, px, lots); expired and refused, each (oid, lots)."""
        executions, expired, refused = [], [], []
        while sz and (makers := self.reachable(side, limit)):
            maker = makers[0]
            if taker and maker["account"] == taker:
                expired.append((maker["oid"], maker["sz"]))
                self.resting.remove(maker)
                continue
            asked = min(sz, maker["sz"])
            lots = asked if admit is None else admit(maker["oid"], asked)
            if lots:
                executions.append((maker["oid"], maker["px"], lots))
            sz -= lots
            maker["sz"] -= lots
            if lots < asked:
                refused.append((maker["oid"], maker["sz"]))
            if lots < asked or not maker["sz"]:
                self.resting.remove(maker)
        return sz, executions, expired, refused

    def execute(self, ops, i=0):
        """(i, reason, trades, rejects) of background flow; kinds, times in force and reasons by their values."""
        trades, rejects = [], []
        for n in range(i, len(ops)):
            kind, oid, account, side, px, sz, tif = ops[n]
            if account in self.watched:
                return n, "watched account", trades, rejects
            if kind == 0:
                makers = self.reachable(side, px)
                if makers and tif == "alo":
                    rejects.append((n, "would cross"))
                    continue
                if not makers and tif == "ioc":
                    rejects.append((n, "no match"))
                    continue
                needed = sz
                for maker in makers:
                    if needed > 0 and maker["account"] in self.watched:
                        return n, "watched maker", trades, rejects
                    needed -= maker["sz"]
                left, executions, _, _ = self.match(side, px, sz)
                trades += [(n, *execution) for execution in executions]
                if left and tif != "ioc":
                    self.add(oid, account, side, px, left)
                continue
            order = self.find(oid)
            if order is None or order["account"] != account:
                rejects.append((n, "unknown order"))
            else:
                self.reduce(oid, min(sz, order["sz"]) if kind == 2 else order["sz"])
        return len(ops), "done", trades, rejects
