"""How a hub behaves, as its operator says."""

from __future__ import annotations

import dataclasses

from rehub.server.trials import TrialLimits


@dataclasses.dataclass(frozen=True, kw_only=True)
class HubOptions:
    """The options of a hub.

    Attributes:
        uncompressed_base: Where clients find the store itself, such as ``gs://BUCKET/PREFIX``; None for nowhere.
        redirects: Whether the bytes of models come from the bucket itself, by URLs that are signed for some minutes.
        is_private: Whether publishers are private for whom nothing is set.
        is_behind_proxy: Whether a proxy says whom it asks for, and by which scheme, in ``X-Forwarded-For`` and
            ``X-Forwarded-Proto``; clients could say so, too.
        requests_per_s: How many requests a token or an address may make; after a pause ten times as many at once.
            None for any number. Each process counts for itself.
        upload_limit_bytes: What all files of a model that is published may have together; None for what manifests can
            have.
        remote_images: Whether model cards show images of other servers, who learn then who reads them.
        trials: What trying models on their pages may take; None if nobody can try them.
        access_log: Whether each request is told on the standard error, as a line of JSON.
    """

    uncompressed_base: str | None = None
    redirects: bool = False
    is_private: bool = False
    is_behind_proxy: bool = False
    requests_per_s: float | None = None
    upload_limit_bytes: int | None = None
    remote_images: bool = False
    trials: TrialLimits | None = None
    access_log: bool = False
