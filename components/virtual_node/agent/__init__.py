"""The agent of a Slurm cluster: exports its queue to Prometheus, and finds what Slurm and Kubernetes disagree on.

It runs where Slurm's commands are: on the edge host, or in the virtual kubelet's pod. So it needs Python 3.9 and
nothing else, and asks Slurm by `squeue` and `sbatch --test-only`, and the API server by HTTPS.
"""
