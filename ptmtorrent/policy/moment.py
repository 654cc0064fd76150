"""An instant on all the clocks a machine has, so that times outlive the process."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was.

    Attributes:
        now: seconds on the steady clock, which every process of one boot shares.
        wall: Unix seconds; somebody may set this clock.
        boot: names the run of the machine that ``now`` belongs to, or empty.
    """

    now: float
    wall: float
    boot: str = ""

    def since(self, earlier: "Moment") -> float:
        """Seconds that have passed since ``earlier``, never negative.

        Within one boot the steady clock tells, which no change of date moves. Else the wall clock
        does, and one that was set back counts as no time passed.
        """
        if self.boot and self.boot == earlier.boot and self.now >= earlier.now:
            return self.now - earlier.now
        return max(self.wall - earlier.wall, 0.0)
