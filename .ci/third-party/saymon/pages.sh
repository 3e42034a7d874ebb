# Sends what the pages on sessions, tokens and groups print, with curl as they do.
set -u
. ./steps.sh
api=$1/node/api
jar=$(mktemp)
json='Content-Type: application/json'

step 'SAYMON page, a session is a JSON string' '"????????-????-????-????-????????????"' \
  "$(curl -sS "$api/users/session" -H "$json" -X POST -d '{"login": "Bob", "password": "qwerty"}' --cookie-jar "$jar")"
step 'SAYMON page, the saved cookie does' '{"id":"5e78c51788c61a1fbf34b673"*' \
  "$(curl -sS "$api/users/current" -H "$json" -X GET --cookie "$jar")"
step 'SAYMON page, the session ends, with an empty answer' '' "$(curl -sS -X DELETE "$api/users/session" --cookie "$jar")"
step 'SAYMON page, the cookie does no more' '{"code":"Unauthorized"*' "$(curl -sS "$api/users/current" --cookie "$jar")"

admin=(curl -sS -u admin:saymon-admin -H "$json")
bob=$api/users/5e78c51788c61a1fbf34b673
token=$("${admin[@]}" -X POST "$bob/auth-token")
step 'SAYMON page, a token is a JSON string' '"????????-????-????-????-????????????"' "$token"
token=${token//\"/}
step 'SAYMON page, the token does' '{"id":"5e78c51788c61a1fbf34b673"*' "$(curl -sS "$api/users/current?api-token=$token" -H "$json" -X GET)"
step 'SAYMON page, a session by the token' '"????????-????-????-????-????????????"' \
  "$(curl -sS "$api/users/session" -H "$json" -X POST -d "{\"auth-token\": \"$token\"}")"
step 'SAYMON page, the token is taken away, with an empty answer' '' "$("${admin[@]}" -X DELETE "$bob/auth-token")"
step 'SAYMON page, the token does no more' '{"code":"Unauthorized"*' "$(curl -sS "$api/users/current?api-token=$token")"

group=$("${admin[@]}" -X POST "$api/user-groups" -d '{"name":"Operators","permissions":["manage-objects"]}')
step 'SAYMON page, a group' '{*"name":"Operators"*' "$group"
id=$(sed 's/.*"id":"\([^"]*\)".*/\1/' <<<"$group")
step 'SAYMON page, a group is renamed' '{*"name":"Engineers"*' "$("${admin[@]}" -X PATCH "$api/user-groups/$id" -d '{"name":"Engineers"}')"
step 'SAYMON page, the groups' '\[*"name":"Engineers"*\]' "$("${admin[@]}" "$api/user-groups")"
step 'SAYMON page, the group goes' '' "$("${admin[@]}" -X DELETE "$api/user-groups/$id")"
