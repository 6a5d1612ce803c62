from django.urls import path, register_converter

from certificates.downloads import Format, Kind
from certificates.views import downloads, history, orders, overview


class KindConverter:
    regex = "|".join(Kind)

    def to_python(self, value: str) -> Kind:
        return Kind(value)

    def to_url(self, value: str) -> str:
        return value


class FormatConverter:
    regex = "|".join(Format)

    def to_python(self, value: str) -> Format:
        return Format(value)

    def to_url(self, value: str) -> str:
        return value


register_converter(KindConverter, "kind")
register_converter(FormatConverter, "format")

app_name = "certificates"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("status/", overview.status, name="status"),
    path("generate/", orders.generate, name="generate"),
    path("download/<kind:kind>.<format:form>", downloads.of_situation, name="download"),
    path("history/", history.history, name="history"),
    path("history/<int:number>/", history.generation, name="generation"),
    path("history/<int:number>/<kind:kind>.<format:form>", downloads.of_generation, name="download_generation"),
    path("<int:number>/activate/", orders.activate, name="activate"),
    path("<int:number>/deadline/", orders.deadline, name="deadline"),
    path("<int:number>/discard/", orders.discard, name="discard"),
    path("<int:number>/roll-back/", orders.roll_back, name="roll_back"),
    path("<int:number>/withdraw/", orders.withdraw, name="withdraw"),
]
