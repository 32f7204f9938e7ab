package weir

// A Level says how much a line of the log matters.
type Level uint32

const (
	LevelError Level = iota
	LevelWarn
	LevelInfo
	LevelDebug
	LevelTrace
)

// Log writes to the worker's log, with the function's name and the event's id; in a test to standard error. What is printed goes
// there, too.
func Log(level Level, text string) { hostLog(level, text) }

// Config is what the Function document says under config, and whether it says anything; in a test what Configure said.
func Config(key string) (string, bool) { return hostConfig(key) }
