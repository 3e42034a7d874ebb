# Compares answers with those wanted and says how each step went.
trap '[ "$failed" = 0 ] || exit 1' EXIT
failed=0
step() { # NAME WANTED GOT, where WANTED is a pattern of the shell
  # shellcheck disable=SC2053
  if [[ $3 == $2 ]]; then
    echo "ok    $1"
  else
    echo "FAIL  $1: wanted <$2>, got <$3>"
    failed=1
  fi
}
