# To be sourced at the root of the project: starts the services of the tests
# and stops them when the script ends, whatever happens.
#
#   start_dynamodb    sets BERTH_TEST_DYNAMODB
#   start_s3          sets BERTH_TEST_S3 and _ACCESS_KEY, _SECRET_KEY, _BUCKET
#   start_docker      sets BERTH_TEST_DOCKER, or says why there can be no daemon
#
# An endpoint that is set already is used as it is. $scratch is a folder for the
# script, removed at its end; need makes sure of commands.

fail() {
	echo "$(basename "$0"): $*" >&2
	exit 1
}

# need COMMAND PACKAGES ...: makes sure of each command, by Debian packages.
need() {
	local missing=() packages=()
	while (($#)); do
		command -v "$1" >/dev/null || { missing+=("$1") packages+=($2); }
		shift 2
	done
	((${#missing[@]})) || return 0
	if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
		fail "missing: ${missing[*]}. Install them, or name single packages to test without them."
	fi
	echo "installing ${packages[*]}"
	{
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}"
	} >"$scratch/apt.log" 2>&1 || { cat "$scratch/apt.log"; fail "could not install ${packages[*]}"; }
}

free_port() {
	local port
	while port=$((20000 + RANDOM % 20000)); (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
	echo "$port"
}

# service NAME PORT COMMAND...: starts a service and waits until it accepts
# connections.
service() {
	local name=$1 port=$2 deadline=$((SECONDS + 900)) # a first start installs and compiles
	shift 2
	"$@" >"$scratch/$name.log" 2>&1 &
	services+=($!)
	until (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
		kill -0 $! 2>/dev/null && ((SECONDS < deadline)) || { cat "$scratch/$name.log"; fail "$name did not start"; }
		sleep 0.1
	done
}

start_dynamodb() {
	[[ -z ${BERTH_TEST_DYNAMODB:-} ]] || return 0
	need npm npm setpriv util-linux
	local port
	port=$(free_port)
	service dynamodb "$port" scripts/services/dynamodb "$port"
	export BERTH_TEST_DYNAMODB=http://127.0.0.1:$port
}

start_s3() {
	[[ -z ${BERTH_TEST_S3:-} ]] || return 0
	export BERTH_TEST_S3_ACCESS_KEY=berth-test BERTH_TEST_S3_SECRET_KEY=berth-test-secret BERTH_TEST_S3_BUCKET=berth-test
	local port
	port=$(free_port)
	mkdir "$scratch/s3"
	service s3 "$port" scripts/services/s3 --listen "127.0.0.1:$port" --root "$PWD/$scratch/s3" --buckets "$BERTH_TEST_S3_BUCKET"
	export BERTH_TEST_S3=http://127.0.0.1:$port
}

# A daemon of its own, which touches no network and no other's data. It needs
# rights that not every machine gives.
start_docker() {
	[[ -z ${BERTH_TEST_DOCKER:-} ]] || return 0
	[[ $(id -u) == 0 ]] || { echo 'no Docker daemon: only root can start one'; return 0; }
	need dockerd docker.io docker docker.io
	local dir=$PWD/$scratch/docker deadline=$((SECONDS + 60))
	mkdir "$dir"
	dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" --host "unix://$dir/socket" \
		--storage-driver vfs --bridge none --iptables=false --ip6tables=false >"$scratch/docker.log" 2>&1 &
	services+=($!)
	until docker --host "unix://$dir/socket" info >/dev/null 2>&1; do
		if ! kill -0 $! 2>/dev/null || ((SECONDS > deadline)); then
			echo "no Docker daemon: $(tail -n 1 "$scratch/docker.log")"
			return 0
		fi
		sleep 0.2
	done
	export BERTH_TEST_DOCKER=unix://$dir/socket
}

services=()
mkdir -p .cache
scratch=$(mktemp -d .cache/run-XXXXXX)
cleanup() {
	if ((${#services[@]})); then
		kill "${services[@]}" 2>/dev/null || :
		wait "${services[@]}" || :
	fi
	rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
