"""Files for whoever runs the other side of a virtual node: the HPC site, and interLink's own chart."""
