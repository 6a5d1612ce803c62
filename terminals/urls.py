from django.urls import include, path

from terminals.views import bootstrap, delivery, imports, links, rollout, terminals, tokens, types, work_list

app_name = "terminals"

# The innermost namespace is the entry of the navigation that is shown as open (pbxcerts.system.frame).
type_patterns = [
    path("", types.types, name="types"),
    path("add/", types.add, name="add"),
    path("<int:pk>/", types.type_, name="type"),
    path("<int:pk>/edit/", types.edit, name="edit"),
    path("<int:pk>/delete/", types.delete, name="delete"),
]

rollout_patterns = [
    path("", rollout.rollout, name="overview"),
    path("status/", rollout.status, name="status"),
    path("<int:number>/order/", rollout.order, name="order"),
    path("<int:number>/restart-now/", rollout.restart_now, name="restart_now"),
    path("<int:number>/skip/<int:terminal>/", rollout.skip, name="skip"),
]

work_list_patterns = [
    path("", work_list.work_list, name="list"),
    path("tick/", work_list.tick, name="tick"),
    path("types/<int:pk>/", work_list.confirm_type, name="type"),
    path("types/<int:pk>/download/", work_list.download, name="download"),
    path("types/<int:pk>/first/", work_list.confirm_type, {"first": True}, name="first_type"),
    path("types/<int:pk>/first/download/", work_list.download, {"first": True}, name="first_download"),
    path("<int:terminal>/link/", links.personal_link, name="link"),
    path("<int:terminal>/link/revoke/", links.revoke, name="revoke"),
]

bootstrap_patterns = [
    path("", bootstrap.windows, name="windows"),
    path("<int:pk>/close/", bootstrap.close, name="close"),
]

delivery_patterns = [path("", delivery.delivery, name="settings")]

urlpatterns = [
    path("", terminals.terminals, name="terminals"),
    path("add/", terminals.add, name="add"),
    path("<int:pk>/", terminals.terminal, name="terminal"),
    path("<int:pk>/edit/", terminals.edit, name="edit"),
    path("<int:pk>/enable/", terminals.enable, name="enable"),
    path("<int:pk>/delete/", terminals.delete, name="delete"),
    path("<int:pk>/token/", tokens.make_token, name="make_token"),
    path("<int:pk>/token/revoke/", tokens.revoke_token, name="revoke_token"),
    path("tokens/", tokens.make_missing, name="tokens"),
    path("discovered/", terminals.discovered, name="discovered"),
    path("discovered/<int:pk>/", terminals.take_in, name="take_in"),
    path("discovered/<int:pk>/adopt/", terminals.adopt, name="adopt"),
    path("discovered/<int:pk>/dismiss/", terminals.dismiss, name="dismiss"),
    path("import/", imports.upload, name="import"),
    path("import/preview/", imports.preview, name="import_preview"),
    path("import/give-up/", imports.give_up, name="import_give_up"),
    path("export/", imports.export, name="export"),
    path("types/", include((type_patterns, "types"))),
    path("rollout/", include((rollout_patterns, "rollout"))),
    path("work-list/", include((work_list_patterns, "work_list"))),
    path("bootstrap/", include((bootstrap_patterns, "bootstrap"))),
    path("delivery/", include((delivery_patterns, "delivery"))),
    path("link/<str:token>/", links.link, name="link"),
    path("link/<str:token>/file/", links.link_file, name="link_file"),
]
