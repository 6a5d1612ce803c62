from django.urls import path, register_converter

from certificates.downloads import DownloadFormat, DownloadKind
from certificates.views import call_proof, downloads, history, orders, overview, server, store


class DownloadKindConverter:
    regex = "|".join(DownloadKind)

    def to_python(self, value: str) -> DownloadKind:
        return DownloadKind(value)

    def to_url(self, value: str) -> str:
        return value


class DownloadFormatConverter:
    regex = "|".join(DownloadFormat)

    def to_python(self, value: str) -> DownloadFormat:
        return DownloadFormat(value)

    def to_url(self, value: str) -> str:
        return value


register_converter(DownloadKindConverter, "kind")
register_converter(DownloadFormatConverter, "format")

app_name = "certificates"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("status/", overview.status, name="status"),
    path("store/", store.decide, name="store"),
    path("server/", server.server, name="server"),
    path("call-proof/", call_proof.call_proof, name="call_proof"),
    path("call-proof/newest/", call_proof.newest, name="call_proof_newest"),
    path("call-proof/prove/", call_proof.prove, name="prove"),
    path("generate/", orders.generate, name="generate"),
    path("download/<kind:kind>.<format:form>", downloads.of_situation, name="download"),
    path("history/", history.history, name="history"),
    path("history/<number:number>/", history.generation, name="generation"),
    path("history/<number:number>/<kind:kind>.<format:form>", downloads.of_generation, name="download_generation"),
    path("<number:number>/activate/", orders.activate, name="activate"),
    path("<number:number>/deadline/", orders.deadline, name="deadline"),
    path("<number:number>/discard/", orders.discard, name="discard"),
    path("<number:number>/roll-back/", orders.roll_back, name="roll_back"),
    path("<number:number>/withdraw/", orders.withdraw, name="withdraw"),
]
