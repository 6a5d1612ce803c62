from django.db import migrations


class Migration(migrations.Migration):
    """Names change also for those that leave what they are told (rule renamed-files)."""

    dependencies = [
        ("terminals", "0021_list_is_full"),
    ]

    operations = [
        migrations.RenameModel("EmptiedList", "RenamedFiles"),
    ]
