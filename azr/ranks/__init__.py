"""Several processes, one run: rank 0 runs the program as it is, the others generate and learn their share.

On the launchers of torch and accelerate and on torch.distributed; no scheduler, transport or store of our own. Of azr
this room may know the policy, the engines and the learner, and no method.
"""
