package weir

import (
	"fmt"
	"os"
	"runtime/debug"
	"unsafe"
)

// Both live as long as the instance: the host writes into the one and reads the other.
var input, output []byte

//go:wasmexport weir_abi
func abi() int32 { return 1 }

//go:wasmexport weir_buffer
func buffer(size uint32) unsafe.Pointer {
	if uint32(len(input)) < size || len(input) == 0 {
		input = make([]byte, max(size, 1))
	}
	return unsafe.Pointer(unsafe.SliceData(input))
}

//go:wasmexport weir_handle
func handle(size uint32) uint64 {
	defer explain()
	output = Respond(input[:size], handler)
	return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(output))))<<32 | uint64(len(output))
}

// What a panic said comes last, behind where it was: the host takes the last line for the reason.
func explain() {
	if said := recover(); said != nil {
		os.Stderr.Write(debug.Stack())
		fmt.Fprintf(os.Stderr, "panic: %v\n", said)
		os.Exit(2)
	}
}
