module weir.dev/release

go 1.24.0
