import hashlib

from django.db import migrations


def name_by_the_first_pair(apps, _editor):
    """Every copy of an installation that is older than the marks of stores gets the same name, whichever is upgraded first:
    from the first pair that was made, whose keys were random. One without a pair keeps its new random name.
    """
    first = apps.get_model("certificates", "Generation").objects.exclude(host_sha256="").order_by("number").first()
    if first is not None:
        name = hashlib.sha256(f"installation:{first.host_sha256}".encode()).hexdigest()[:32]
        apps.get_model("system", "General").objects.update(installation=name)


class Migration(migrations.Migration):
    dependencies = [
        ("certificates", "0007_store_decision"),
        ("system", "0003_general_installation"),
    ]

    operations = [migrations.RunPython(name_by_the_first_pair, migrations.RunPython.noop)]
