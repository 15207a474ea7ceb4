"""SuperSONIC 0.3.1's metric of load (`templates/_helpers/_scaling-metric.tpl`, commit e578801)."""


def scaling_query(release: str) -> str:
    """Return the default metric: milliseconds in the queue per execution."""
    selector = f'{{release=~"{release}"}}'
    return (
        f"sum by (release) (rate(nv_inference_queue_duration_us{selector}[30s])) / "
        f"sum by (release) ((rate(nv_inference_exec_count{selector}[30s]) * 1000) + 0.001)"
    )
