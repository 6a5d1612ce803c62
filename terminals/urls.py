from django.urls import include, path

from terminals.views import (
    bootstrap,
    checking,
    delivery,
    evidence,
    imports,
    links,
    rollout,
    terminals,
    tokens,
    types,
    work_list,
)

app_name = "terminals"

# The innermost namespace is the entry of the navigation that is shown as open (pbxcerts.system.pages.frame).
type_patterns = [
    path("", types.types, name="types"),
    path("add/", types.add, name="add"),
    path("<number:pk>/", types.type_, name="type"),
    path("<number:pk>/first/", types.first, name="first"),
    path("<number:pk>/edit/", types.edit, name="edit"),
    path("<number:pk>/delete/", types.delete, name="delete"),
    path("<number:pk>/go-on-checking/", types.go_on_checking, name="go_on_checking"),
    path("<number:pk>/list-is-seen/", types.list_is_seen, name="list_is_seen"),
    path("<number:pk>/turn-checking-off/", types.turn_checking_off, name="turn_checking_off"),
]

rollout_patterns = [
    path("", rollout.rollout, name="overview"),
    path("status/", rollout.status, name="status"),
    path("<number:number>/order/", rollout.order, name="order"),
    path("<number:number>/restart-now/", rollout.restart_now, name="restart_now"),
    path("<number:number>/skip/<number:terminal>/", rollout.skip, name="skip"),
]

work_list_patterns = [
    path("", work_list.work_list, name="list"),
    path("tick/", work_list.tick, name="tick"),
    path("types/<number:pk>/", work_list.confirm_type, name="type"),
    path("types/<number:pk>/download/", work_list.download, name="download"),
    path("types/<number:pk>/first/", work_list.confirm_type, {"first": True}, name="first_type"),
    path("types/<number:pk>/first/download/", work_list.download, {"first": True}, name="first_download"),
    path("types/<number:pk>/room-again/", work_list.room_again, name="room_again"),
    path("types/<number:pk>/links/", links.sheet, name="sheet"),
    path("types/<number:pk>/first/links/", links.sheet, {"first": True}, name="first_sheet"),
    path("<number:terminal>/link/", links.personal_link, name="link"),
    path("<number:terminal>/link/revoke/", links.revoke, name="revoke"),
]

bootstrap_patterns = [
    path("", bootstrap.windows, name="windows"),
    path("<number:pk>/close/", bootstrap.close, name="close"),
]

delivery_patterns = [path("", delivery.delivery, name="settings")]

urlpatterns = [
    path("", terminals.terminals, name="terminals"),
    path("add/", terminals.add, name="add"),
    path("<number:pk>/", terminals.terminal, name="terminal"),
    path("<number:pk>/edit/", terminals.edit, name="edit"),
    path("<number:pk>/enable/", terminals.enable, name="enable"),
    path("<number:pk>/realm/", terminals.take_realm, name="take_realm"),
    path("<number:pk>/delete/", terminals.delete, name="delete"),
    path("<number:pk>/accept/", evidence.accept, name="accept"),
    path("<number:pk>/no-longer-accept/", evidence.no_longer_accept, name="no_longer_accept"),
    path("accept-network/", evidence.accept_network, name="accept_network"),
    path("<number:pk>/take-again/", terminals.take_again, name="take_again"),
    path("<number:pk>/checking/", checking.order, name="checking"),
    path("<number:pk>/new-path/", terminals.new_path, name="new_path"),
    path("<number:pk>/token/", tokens.make_token, name="make_token"),
    path("<number:pk>/token/revoke/", tokens.revoke_token, name="revoke_token"),
    path("tokens/", tokens.make_missing, name="tokens"),
    path("registered/", terminals.registered, name="registered"),
    path("discovered/", terminals.discovered, name="discovered"),
    path("discovered/dismiss-all/", terminals.dismiss_all, name="dismiss_all"),
    path("discovered/<number:pk>/", terminals.take_in, name="take_in"),
    path("discovered/<number:pk>/adopt/", terminals.adopt, name="adopt"),
    path("discovered/<number:pk>/dismiss/", terminals.dismiss, name="dismiss"),
    path("import/", imports.upload, name="import"),
    path("import/preview/", imports.preview, name="import_preview"),
    path("import/template/", imports.template, name="import_template"),
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
