"""The twin of the venue's front: lists of dictionaries, searched from end to end for every question.

Written from the rules, not from the front; it shares no code with it and with no book. What it answers is
plain tuples, which the test compares with everything the venue says.
"""

from fractions import Fraction

from domain.commands import Cancel, Modify, Place

BAND = Fraction(95, 100)


class NaiveVenue:
    def __init__(self, instruments, accounts, *, size_down_keeps=False, n_batches=1, taker_delay=0, limits=None):
        self.instruments = {i.id: i for i in instruments}
        self.money = {a: {"cash": 0, "fees": 0, "pnl": 0, "pos": {}, "cost": {}} for a in [*accounts, "crowd"]}
        self.watched = list(accounts)
        self.size_down_keeps = size_down_keeps
        self.n_batches = n_batches
        self.taker_delay = taker_delay
        # (actions, volume for one more, wait beyond it, stale cost, open orders, open orders for reduce-only)
        self.limits = limits or (10**9, 10**9, 0, 5, 10**9, 10**9)
        self.sent = {a: {"used": 0, "volume": 0, "free_at": 0} for a in accounts}
        self.orders = []  # every order ever, by age
        self.queue = []  # everything that rests, by arrival
        self.waiting = []
        self.arrived = 0
        self.oid = 1
        self.pool = 0
        self.now = 0
        self.updates, self.fills, self.replies, self.tape = [], [], [], []
        self.moved = []
        self.last = {}

    def endow(self, account, name, position, px):
        for who, lots in ((account, position), ("crowd", -position)):
            money = self.money[who]
            money["cost"][name] = abs(money["pos"].get(name, 0) + lots) * px
            money["pos"][name] = money["pos"].get(name, 0) + lots
            money["cash"] -= lots * px

    # --- looking ------------------------------------------------------------------------------------

    def position(self, account, name):
        return self.money[account]["pos"].get(name, 0)

    def dump(self, name):
        return [
            (o["side"], o["px"], o["account"], o["rest"])
            for side in (1, -1)
            for o in sorted(self.queue, key=lambda o: -side * o["px"])
            if o["side"] == side and o["name"] == name
        ]

    def best(self, name, side):
        prices = [o["px"] for o in self.queue if o["name"] == name and o["side"] == side]
        return (max(prices) if side > 0 else min(prices)) if prices else None

    def middle(self, name):
        bid, ask = self.best(name, 1), self.best(name, -1)
        return self.last.get(name) if bid is None or ask is None else Fraction(bid + ask, 2)

    def crosses(self, name, side, px):
        other = self.best(name, -side)
        return other is not None and (px - other) * side >= 0

    def listed(self, account):
        rows = [o for o in self.queue if o["account"] == account]
        rows.sort(key=lambda o: o["since"])
        return [(o["oid"], o["cloid"], o["sz"], o["rest"]) for o in rows]

    def find(self, account, oid=None, cloid=None):
        mine = [o for o in self.queue if o["account"] == account]
        if oid is not None:
            return next((o for o in mine if o["oid"] == oid), None)
        return max((o for o in mine if o["cloid"] == cloid), key=lambda o: o["oid"], default=None)

    # --- blocks -------------------------------------------------------------------------------------

    def submit(self, account, request, now, expires_at):
        first, volume, wait, *_ = self.limits
        sent, n = self.sent[account], max(len(request.actions), 1)
        cap = first + sent["volume"] // volume
        if request.actions and all(isinstance(action, Cancel) for action in request.actions):
            cap = min(2 * cap, cap + 100_000)
        if sent["used"] >= cap:
            if now < sent["free_at"]:
                self.replies.append((account, request.request_id, ["quota_exhausted"]))
                return
            sent["free_at"] = now + n * wait
        sent["used"] += n
        places = [a.place if isinstance(a, Modify) else a for a in request.actions if not isinstance(a, Cancel)]
        if any(p.tif != "alo" for p in places):
            kind = 2
        else:
            kind = 0 if places or not request.actions else 1
        effective = now + (self.taker_delay if kind == 2 else 0)
        self.waiting.append((effective, self.arrived, kind, account, request, expires_at))
        self.arrived += 1

    def run_block(self, now, flow):
        start, length, n = self.now, now - self.now, self.n_batches
        self.now = now
        plan = []
        sizes = {}
        for name, ops in flow.items():
            for k, op in enumerate(ops):
                run = (k * n // len(ops), 1 if op[0] != 0 else 0 if op[6] == "alo" else 2)
                plan.append((run, name, sizes.get((run, name), 0), op))
                sizes[run, name] = sizes.get((run, name), 0) + 1
        steps = []
        due = sorted(w for w in self.waiting if w[0] <= now)
        self.waiting = [w for w in self.waiting if w[0] > now]
        for number, (effective, _, kind, account, request, expires_at) in enumerate(due):
            batch = next(b for b in range(n) if effective <= start + Fraction(length * (b + 1), n))
            into = Fraction(effective - start) / Fraction(length, n) - batch
            before = {name: int(into * size) for (run, name), size in sizes.items() if run == (batch, kind)}
            steps.append(((batch, kind), number, before, account, request, expires_at))
        for run in sorted({p[0] for p in plan} | {s[0] for s in steps}):
            done = set()
            for _, _, before, account, request, expires_at in [s for s in steps if s[0] == run]:
                self.flow([p for p in plan if p[0] == run and p[2] < before[p[1]]], done)
                self.execute(account, request, expires_at)
            self.flow([p for p in plan if p[0] == run], done)

    def flow(self, plan, done):
        for _, name, k, (kind, oid, account, side, px, sz, tif) in plan:
            if (name, k) in done:
                continue
            done.add((name, k))
            if kind == 0:
                if self.crosses(name, side, px):
                    if tif != "alo":
                        taker = {"oid": oid, "account": account, "name": name, "side": side, "px": px}
                        left, executed, _, refused = self.walk(taker, sz, None)
                        if left and tif != "ioc":
                            self.queue.append({**taker, "rest": left, "own": False, "since": 0})
                        self.settle(executed, refused)
                elif tif != "ioc":
                    rest = {"oid": oid, "account": account, "name": name, "side": side, "px": px, "rest": sz}
                    self.queue.append({**rest, "own": False, "since": 0})
                continue
            order = next((o for o in self.queue if o["oid"] == oid and o["account"] == account), None)
            if order is not None and order["name"] == name:
                order["rest"] -= min(sz, order["rest"]) if kind == 2 else order["rest"]
                if not order["rest"]:
                    self.queue.remove(order)

    def execute(self, account, request, expires_at):
        error = self.payload_error(request.actions)
        if expires_at is not None and self.now > expires_at:
            results = ["expired"]
            self.sent[account]["used"] += len(request.actions) * (self.limits[3] - 1)
        elif error:
            results = [error]
        else:
            results = [self.action(account, action) for action in request.actions]
        self.replies.append((account, request.request_id, results))

    def payload_error(self, actions):
        if not actions:
            return "empty_batch"
        for action in actions:
            place = action.place if isinstance(action, Modify) else action
            if place.instrument not in self.instruments:
                return "unknown_instrument"
            if isinstance(place, Cancel):
                continue
            if place.sz <= 0:
                return "invalid_size" if place.sz else "zero_size"
            if place.px <= 0 or (place.px >= 10**5 and place.px % 10):
                return "invalid_price"
            middle = self.middle(place.instrument)
            if middle is not None and abs(place.px - middle) > BAND * middle:
                return "price_too_far"
        return None

    def action(self, account, action):
        if isinstance(action, Place):
            return self.place(account, action)
        if isinstance(action, Cancel):
            order = self.find(account, action.oid, action.cloid)
            if order is None or order["name"] != action.instrument:
                return "not_open"
            self.queue.remove(order)
            self.end(order, "canceled", "requested")
            return "cancelled"
        old = self.find(account, action.oid)
        if old is None or old["name"] != action.place.instrument:
            return "cannot_modify"
        if self.shrinks(account, old, action.place):
            order = self.order(account, action.place)
            order["rest"] = action.place.sz
            self.queue[self.queue.index(old)] = order
            self.state(order, "open")
            self.end(old, "canceled", "requested")
            return ("resting", order["oid"])
        self.queue.remove(old)
        result = self.place(account, action.place)
        self.end(old, "canceled", "requested")
        return "modify_new_leg" if isinstance(result, str) else result

    def shrinks(self, account, old, new):
        same = (new.side, new.px, new.reduce_only) == (old["side"], old["px"], old["ro"])
        return (
            self.size_down_keeps
            and same
            and new.sz <= old["rest"]
            and new.tif != "ioc"
            and self.too_many(account, new, leaving=1) is None
            and self.order_error(account, new) is None
        )

    # --- one order ----------------------------------------------------------------------------------

    def order(self, account, place):
        order = {
            "oid": self.oid,
            "account": account,
            "name": place.instrument,
            "cloid": place.cloid or None,
            "side": int(place.side),
            "px": place.px,
            "sz": place.sz,
            "tif": place.tif,
            "ro": place.reduce_only,
            "filled": 0,
            "rest": 0,
            "own": True,
            "since": self.oid,
            "ends": 0,
        }
        self.oid += 1
        self.orders.append(order)
        return order

    def order_error(self, account, place):
        position = self.position(account, place.instrument)
        reducible = max(-place.side * position, 0)
        if place.tif == "alo" and self.crosses(place.instrument, place.side, place.px):
            return "post_only_would_cross"
        if place.reduce_only and reducible == 0:
            return "reduce_only_would_increase"
        closes = place.reduce_only and place.sz >= reducible
        if place.px * place.sz < self.instruments[place.instrument].min_notional and not closes:
            return "min_notional"
        return None

    def too_many(self, account, place, leaving=0):
        n = sum(o["account"] == account for o in self.queue) - leaving
        *_, most, most_for_reduce_only = self.limits
        if (place.tif != "ioc" and n >= most) or (place.reduce_only and n >= most_for_reduce_only):
            return "too_many_open_orders"
        return None

    def place(self, account, place):
        order = self.order(account, place)
        error = self.too_many(account, place) or self.order_error(account, place)
        if error:
            self.end(order, "rejected", error)
            return error
        name, side = order["name"], order["side"]
        lots = min(order["sz"], max(-side * self.position(account, name), 0)) if order["ro"] else order["sz"]
        self.moved = []
        left, executed, expired, refused = self.walk(order, lots, account)
        for own in expired:
            self.end(own, "canceled", "self_trade")
        if order["tif"] == "ioc" and not order["filled"]:
            self.end(order, "rejected", "ioc_no_match")
        else:
            self.state(order, "open", remaining=order["sz"])
            if not left or order["tif"] == "ioc":
                self.end(order, "filled", None)
            else:
                order["rest"] = left
                self.queue.append(order)
                if order["filled"]:
                    self.state(order, "open")
                if order["ro"] and (account, name) not in self.moved:
                    self.moved.append((account, name))
        self.settle(executed, refused, clear=False)
        if order["tif"] == "ioc" and not order["filled"]:
            return "ioc_no_match"
        return ("executed", order["oid"], order["filled"]) if order["filled"] else ("resting", order["oid"])

    def walk(self, taker, left, account):
        """One maker at a time, the best and oldest first."""
        if account is None:
            self.moved = []
        executed, expired, refused = [], [], []
        name, side = taker["name"], taker["side"]
        while left and self.crosses(name, side, taker["px"]):
            best = self.best(name, -side)
            maker = next(o for o in self.queue if (o["name"], o["side"], o["px"]) == (name, -side, best))
            if account is not None and maker["account"] == account:
                self.queue.remove(maker)
                expired.append(maker)
                continue
            asked = min(left, maker["rest"])
            lots = asked
            if maker.get("ro"):
                lots = min(asked, max(side * self.position(maker["account"], name), 0))
            if lots:
                left -= lots
                maker["rest"] -= lots
                self.trade(taker, maker, best, lots, account is not None)
                if maker["own"]:
                    executed.append(maker)
            if lots < asked:
                refused.append(maker)
            if lots < asked or not maker["rest"]:
                self.queue.remove(maker)
        return left, executed, expired, refused

    def settle(self, executed, refused, *, clear=True):
        for maker in executed:
            if maker not in refused:
                if maker["rest"]:
                    self.state(maker, "open")
                else:
                    self.end(maker, "filled", None)
        for maker in refused:
            self.end(maker, "canceled", "reduce_only_trimmed")
        for account, name in self.moved:
            self.trim(account, name)

    def trim(self, account, name):
        if account not in self.watched:
            return
        position = self.position(account, name)
        mine = [o for o in self.queue if o["account"] == account and o["name"] == name and o.get("ro")]
        mine.sort(key=lambda o: o["since"])
        for order in [o for o in mine if o["side"] * position >= 0]:
            self.queue.remove(order)
            self.end(order, "canceled", "reduce_only_trimmed")
            mine.remove(order)
        while sum(o["rest"] for o in mine) > abs(position):
            mine[0]["rest"] -= 1
            if not mine[0]["rest"]:
                self.queue.remove(mine[0])
                self.end(mine[0], "canceled", "reduce_only_trimmed")
                del mine[0]

    # --- money --------------------------------------------------------------------------------------

    def trade(self, taker, maker, px, lots, own_taker):
        self.tape.append((taker["side"], px, lots))
        self.last[taker["name"]] = px
        if not own_taker and not maker["own"]:
            return
        for order, own, side, is_taker in (
            (taker, own_taker, taker["side"], True),
            (maker, maker["own"], -taker["side"], False),
        ):
            self.book(order, own, side, px, lots, is_taker)

    def book(self, order, own, side, px, lots, is_taker):
        name = order["name"]
        account = order["account"] if own else "crowd"
        money, instrument = self.money[account], self.instruments[name]
        rate = instrument.taker_fee if is_taker else instrument.maker_fee
        fee = int(Fraction(px * lots * rate, 10**9)) if own else 0
        before, cost = self.position(account, name), money["cost"].get(name, 0)
        pnl = 0
        for _ in range(lots):  # one lot at a time: what is closed costs its share, opened lots cost their price
            position = money["pos"].get(name, 0)
            if position * side < 0:
                pnl += -side * px
            else:
                cost += px
            money["pos"][name] = position + side
        closed = min(lots, abs(before)) if before * side < 0 else 0
        if closed:
            share = money["cost"].get(name, 0) * closed // abs(before)
            pnl += side * share
            cost -= share
        money["cost"][name] = cost
        money["cash"] -= side * px * lots + fee
        money["fees"] += fee
        money["pnl"] += pnl
        self.pool += fee
        if own:
            order["filled"] += lots
            self.sent[account]["volume"] += px * lots
            self.moved += [(account, name)] if (account, name) not in self.moved else []
            self.fills.append((name, account, order["oid"], side, px, lots, fee, is_taker, before, pnl))

    # --- records ------------------------------------------------------------------------------------

    def state(self, order, status, reason=None, remaining=None):
        remaining = order["sz"] - order["filled"] if remaining is None else remaining
        self.updates.append((order["name"], order["account"], order["oid"], order["cloid"], remaining, status, reason))

    def end(self, order, status, reason):
        order["ends"] += 1
        order["rest"] = 0
        self.state(order, status, reason)
