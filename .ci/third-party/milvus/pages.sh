# Sends what the pages on access control print, with curl: what no package covers.
set -u
. ./steps.sh
CLUSTER_ENDPOINT=$1
TOKEN=root:Milvus
call() {
  curl -sS --request POST --url "$CLUSTER_ENDPOINT/v2/vectordb/$1" \
    --header "Authorization: Bearer $TOKEN" --header "Content-Type: application/json" -d "$2"
}
done='{"code":0,"data":{}}'

step 'Milvus page, a role' "$done" "$(call roles/create '{"roleName": "role_a"}')"
step 'Milvus page, a user' "$done" "$(call users/create '{"userName": "user_1", "password": "P@ssw0rd"}')"
step 'Milvus page, a privilege, second generation' "$done" \
  "$(call roles/grant_privilege_v2 '{"roleName": "role_a", "privilege": "Search", "collectionName": "collection_01", "dbName":"default"}')"
step 'Milvus page, a built-in group of privileges' "$done" \
  "$(call roles/grant_privilege_v2 '{"roleName": "role_a", "privilege": "ClusterReadOnly", "collectionName": "*", "dbName":"*"}')"
step 'Milvus page, a role is described' '{"code":0,"data":\[*"privilege":"Search"*' "$(call roles/describe '{"roleName": "role_a"}')"
step 'Milvus page, a group' "$done" "$(call privilege_groups/create '{"privilegeGroupName":"privilege_group_1"}')"
step 'Milvus page, privileges into the group' "$done" \
  "$(call privilege_groups/add_privileges_to_group '{"privilegeGroupName":"privilege_group_1", "privileges":["Query", "Search"]}')"
step 'Milvus page, privileges out of the group' "$done" \
  "$(call privilege_groups/remove_privileges_from_group '{"privilegeGroupName":"privilege_group_1", "privileges":["Search"]}')"
step 'Milvus page, the groups' '*"privilegeGroupName":"privilege_group_1","privileges":"Query"*' "$(call privilege_groups/list '{}')"
step 'Milvus page, the group goes' "$done" "$(call privilege_groups/drop '{"privilegeGroupName":"privilege_group_1"}')"
step 'Milvus page, a role is granted' "$done" "$(call users/grant_role '{"userName": "user_1", "roleName": "role_a"}')"
step 'Milvus page, a user is described' '{"code":0,"data":\["role_a"\]*' "$(call users/describe '{"userName": "user_1"}')"
for privilege in '"Search", "collectionName": "collection_01", "dbName":"default"' '"ClusterReadOnly", "collectionName": "*", "dbName":"*"'; do
  step 'Milvus page, a privilege is revoked' "$done" "$(call roles/revoke_privilege_v2 "{\"roleName\": \"role_a\", \"privilege\": $privilege}")"
done
step 'Milvus page, the role is revoked' "$done" "$(call users/revoke_role '{"userName": "user_1", "roleName": "role_a"}')"
step 'Milvus page, the role goes' "$done" "$(call roles/drop '{"roleName": "role_a"}')"
step 'Milvus page, the user goes' "$done" "$(call users/drop '{"userName": "user_1"}')"
