from django.apps import AppConfig
from django.core.checks import Tags, register


class PbxcertsConfig(AppConfig):
    name = "pbxcerts"

    def ready(self) -> None:
        # Here, not above: it reads the settings.
        from pbxcerts.health.deploy_checks import deployment

        register(deployment, Tags.security, deploy=True)
