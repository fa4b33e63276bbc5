"""`voicepipe doctor`: what a bot would send, what would be refused, and what is missing, without calling anybody.

`looking` builds the bot and finds its services, `wires` asks them what they would send, `surroundings` looks at keys,
packages, ports and devices, `reaching` at the network, `showing` prints what was found.
"""

from voicepipe.cli.doctor.examining import run_doctor

__all__ = ["run_doctor"]
