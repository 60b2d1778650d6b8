"""What a trader is made of, and each part's own settings."""

from dataclasses import dataclass, field

from orchestrator.budget.proactive import BudgetConfig
from orchestrator.connectivity.feeds import FeedsConfig
from orchestrator.connectivity.requests import RequestsConfig
from orchestrator.connectivity.signer import SignerConfig
from orchestrator.connectivity.supervisor import SupervisorConfig
from orchestrator.desk.desk import DeskConfig
from orchestrator.fills import FillsConfig
from orchestrator.risk.dead_man import DeadManConfig
from orchestrator.risk.margin import MarginConfig
from orchestrator.risk.watch import RiskConfig
from orchestrator.sync.foreign import ForeignConfig
from orchestrator.sync.resolver import ResolverConfig
from orchestrator.sync.resync import ResyncConfig
from orchestrator.sync.shutdown import ShutdownConfig
from orchestrator.sync.startup import StartUpConfig
from orchestrator.sync.watch import SyncConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TraderConfig:
    """The whole trader: one part per machine."""

    desk: DeskConfig = field(default_factory=DeskConfig)
    feeds: FeedsConfig = field(default_factory=FeedsConfig)
    supervisor: SupervisorConfig | None = field(default_factory=SupervisorConfig)
    """When a feed that is up and silent is connected anew; off: only one that the adapter finds dead."""
    requests: RequestsConfig = field(default_factory=RequestsConfig)
    fills: FillsConfig = field(default_factory=FillsConfig)
    start_up: StartUpConfig = field(default_factory=StartUpConfig)
    resync: ResyncConfig = field(default_factory=ResyncConfig)
    resolver: ResolverConfig = field(default_factory=ResolverConfig)
    sync: SyncConfig = field(default_factory=SyncConfig)
    shutdown: ShutdownConfig = field(default_factory=ShutdownConfig)
    risk: RiskConfig = field(default_factory=RiskConfig)
    margin: MarginConfig | None = field(default_factory=MarginConfig)
    """Sizes by what the account's money carries; off: the venue's refusals are the first to say so."""
    budget: BudgetConfig | None = field(default_factory=BudgetConfig)
    """How near the venue's limits we go; off: as if it had none."""
    signer: SignerConfig | None = field(default_factory=SignerConfig)
    """What follows where the venue no longer takes our signature; off: it is asked again and again, as of anything."""
    foreign: ForeignConfig | None = field(default_factory=ForeignConfig)
    """What follows where somebody else trades on the account, or moves its money; off: nothing, and nobody is told."""
    dead_man: DeadManConfig | None = field(default_factory=DeadManConfig)
    """The venue's switch that cancels everything when we are not heard any more; off: a dead host leaves its orders."""
