# Sourced by ./check and ./study: what both need on a fresh Debian 12 machine. Run from the project's root.

BUILD_PACKAGES="cmake ninja-build g++ clang-14 pkg-config libhdf5-dev libzip-dev nlohmann-json3-dev libcli11-dev libtbb-dev
  libyaml-cpp-dev libsqlite3-dev libhwy-dev libxxhash-dev libgtest-dev libbenchmark-dev libtorch-dev libopenblas0-pthread libprotobuf-dev protobuf-compiler python3-venv python3-dev"

# Installs those of the packages that are missing.
install_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  echo "installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# make_venv NAME REQUIREMENTS: build/NAME with the packages of the file, made anew where the file has changed.
make_venv() {
  local venv=build/$1 stamp=build/$1/requirements
  cmp -s "$2" "$stamp" && return
  echo "installing Python packages of $2"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check -r "$2"
  cp "$2" "$stamp"
}

# What draws figures: vega, vega-lite and vega-embed from npm, pinned, which pages carry inside (build/vega.js), and vl-convert from
# PyPI, with the same versions inside, for figures as files.
make_vega_bundle() {
  make_venv venv-figures tools/requirements-figures.txt
  [ -s build/vega.js ] && [ build/vega.js -nt tools/vega/package-lock.json ] && return
  command -v npm >/dev/null || install_packages npm
  echo "installing npm packages of tools/vega"
  mkdir -p build/npm
  cp tools/vega/package.json tools/vega/package-lock.json build/npm/
  (cd build/npm && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  local package
  for package in vega vega-lite vega-embed; do
    cat "build/npm/node_modules/$package/build/$package.min.js"
    echo
  done | sed 's#</script#<\\/script#g' >build/vega.js.partial
  mv build/vega.js.partial build/vega.js
}

# ROOT's wheel, for .root files; sets root to its folder.
make_root() {
  make_venv venv-root tools/requirements-root.txt
  local packages
  packages=$(echo "$PWD"/build/venv-root/lib/python3*/site-packages)
  # Its CMake targets name this folder.
  ln -sfn site-packages "$(dirname "$packages")/mock_site_packages"
  root=$packages/ROOT
}

# Several sources in one run of the compiler: two thirds of the time from nothing. Whoever works on narrow says -DCMAKE_UNITY_BUILD=OFF.
UNITY="-DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=12"

# build_narrow [CMAKE OPTION ...]: everything with the release preset, into build/.
build_narrow() {
  cmake --preset release $UNITY -DNARROW_VEGA_BUNDLE="$PWD/build/vega.js" -DNARROW_FIGURES_PYTHON="$PWD/build/venv-figures/bin/python" "$@" >build/cmake.log || { cat build/cmake.log; return 1; }
  cmake --build build
}
