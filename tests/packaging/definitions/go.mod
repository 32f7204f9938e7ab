module weir.dev/packaging/definitions

go 1.24.0

require github.com/traefik/traefik/v3 v3.6.12
