# Sends what the pages on sessions, API keys and users print, and what scripts
# that provision users over them do, with curl as they do.
set -u
. ./steps.sh
url=$1
jar=$(mktemp)
json='content-type:application/json'
admin=(curl -sS -u admin:Fusion4dmin)
status=(-o /dev/null -w '%{http_code}')
field() { python3 -c 'import json, sys; a = json.load(sys.stdin); print(a[sys.argv[1]])' "$1"; }

login='{"username":"admin", "password":"Fusion4dmin"}'
session=$(curl -sS -c "$jar" -i -H "$json" -X POST -d "$login" "$url/api/session?realmName=native" | tr -d '\r')
step 'Sessions API: 201' 'HTTP/1.1 201 Created*' "$session"
step 'Sessions API: the cookie' '*Set-Cookie: id=????????-????-????-????-????????????;HttpOnly;Path=/api*' "$session"
step 'Sessions API: an empty answer' '*Content-Length: 0*' "$session"
step 'Sessions API: the cookie does' '{"user":{*"username":"admin"*},"roles":\[{*"name":"admin"*' \
  "$(curl -sS -b "$jar" "$url/api/session")"
step 'Sessions API: a member that nobody knows' 201 \
  "$(curl -sS "${status[@]}" -H "$json" -d '{"username":"admin","password":"Fusion4dmin","crossDomain":true}' "$url/api/session")"
step 'Sessions API: it ends' '2??' "$(curl -sS "${status[@]}" -b "$jar" -X DELETE "$url/api/session")"
step 'Sessions API: the cookie does no more' 401 "$(curl -sS "${status[@]}" -b "$jar" "$url/api/session")"

key=$("${admin[@]}" -H "$json" -d '{"id":"search-app","name":"search app","roles":["admin"]}' "$url/api/api-key" | field key)
step 'API keys: the header x-api-key' 200 "$(curl -sS "${status[@]}" -H "x-api-key: $key" "$url/api/users")"
step 'API keys: the header apiKey' 200 "$(curl -sS "${status[@]}" -H "apiKey: $key" "$url/api/users")"
step 'API keys: the query apiKey' 200 "$(curl -sS "${status[@]}" "$url/api/users?apiKey=$key")"
step 'API keys: the list does not show it' 0 "$("${admin[@]}" "$url/api/api-key" | grep -c "$key")"
step 'API keys: one is deleted with 200' 200 "$("${admin[@]}" "${status[@]}" -X DELETE "$url/api/api-key/search-app")"
step 'API keys: it does no more' 401 "$(curl -sS "${status[@]}" -H "x-api-key: $key" "$url/api/users")"

claire='{"username":"claire","password":"password123","roleNames":["developer"],"permissions":[],"realmName":"native"}'
step 'A script makes a user' '{*"username":"claire"*"roleNames":\["developer"\]*' \
  "$(echo "$claire" | "${admin[@]}" -X POST -H 'Content-Type:application/json' -d @- "$url/api/users")"
step 'A script lists the names' '*admin*claire*' \
  "$("${admin[@]}" "$url/api/users" | python3 -c 'import json, sys; print(*sorted(u["username"] for u in json.load(sys.stdin)))')"
# A role that was read elsewhere, with its id, as an upgrade carries it over.
role='{"id":"e4ac80c6-8905-4eaf-9670-b541b41f732e","name":"test-role","desc":"For testing only","permissions":[{"methods":["OPTIONS","GET"],"path":"/"}],"uiPermissions":[]}'
step 'A role is carried over' '{"id":"e4ac80c6-8905-4eaf-9670-b541b41f732e","name":"test-role","createdAt":*,"desc":"For testing only","permissions":\[{"methods":\["OPTIONS","GET"\],"path":"/"}\],"uiPermissions":\[\]}' \
  "$("${admin[@]}" -H "$json" -d "$role" "$url/api/roles")"
step 'The status needs no credentials' '{*"initMeta":{*' "$(curl -sS "$url/api")"
step 'The initial password is set once' 409 "$(curl -sS "${status[@]}" -X POST -H "$json" -d '{"password":"password123"}' "$url/api")"
