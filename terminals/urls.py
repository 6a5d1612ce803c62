from django.urls import include, path

from terminals.views import imports, terminals, types

app_name = "terminals"

# The innermost namespace is the entry of the navigation that is shown as open (pbxcerts.system.frame).
type_patterns = [
    path("", types.types, name="types"),
    path("add/", types.add, name="add"),
    path("<int:pk>/", types.type_, name="type"),
    path("<int:pk>/edit/", types.edit, name="edit"),
    path("<int:pk>/delete/", types.delete, name="delete"),
]

urlpatterns = [
    path("", terminals.terminals, name="terminals"),
    path("add/", terminals.add, name="add"),
    path("<int:pk>/", terminals.terminal, name="terminal"),
    path("<int:pk>/edit/", terminals.edit, name="edit"),
    path("<int:pk>/enable/", terminals.enable, name="enable"),
    path("<int:pk>/delete/", terminals.delete, name="delete"),
    path("<int:pk>/token/", terminals.make_token, name="make_token"),
    path("<int:pk>/token/revoke/", terminals.revoke_token, name="revoke_token"),
    path("discovered/", terminals.discovered, name="discovered"),
    path("discovered/<int:pk>/", terminals.take_in, name="take_in"),
    path("discovered/<int:pk>/dismiss/", terminals.dismiss, name="dismiss"),
    path("import/", imports.upload, name="import"),
    path("import/preview/", imports.preview, name="import_preview"),
    path("import/give-up/", imports.give_up, name="import_give_up"),
    path("export/", imports.export, name="export"),
    path("types/", include((type_patterns, "types"))),
]
