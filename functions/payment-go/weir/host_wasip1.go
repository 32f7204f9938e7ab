package weir

import "unsafe"

//go:wasmimport weir log
func importedLog(level uint32, text unsafe.Pointer, size uint32)

//go:wasmimport weir config
func importedConfig(key unsafe.Pointer, keySize uint32, value unsafe.Pointer, room uint32) int64

func hostLog(level Level, text string) {
	importedLog(uint32(level), unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)))
}

func hostConfig(key string) (string, bool) {
	ask := func(value []byte) int64 {
		return importedConfig(unsafe.Pointer(unsafe.StringData(key)), uint32(len(key)),
			unsafe.Pointer(unsafe.SliceData(value)), uint32(len(value)))
	}
	size := ask(nil)
	if size < 0 {
		return "", false
	}
	value := make([]byte, size)
	ask(value)
	return string(value), true
}
