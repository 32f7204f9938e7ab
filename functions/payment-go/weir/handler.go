package weir

import (
	"encoding/json"
	"errors"
)

// A Handler answers one event: with replies, with none, or with an error.
type Handler func(Event) ([]Reply, error)

var handler Handler

// Handle says which handler answers the events. Call it in an init function: main is never called.
func Handle(handle Handler) { handler = handle }

// Respond answers one event, given and returned as the bytes that host and function exchange.
func Respond(input []byte, handle Handler) []byte {
	var event Event
	if err := json.Unmarshal(input, &event); err != nil {
		return failure(Permanent("invalid-event", err.Error()))
	}
	replies, err := handle(event)
	if err != nil {
		var told *Error
		if errors.As(err, &told) {
			err = told
		}
		return failure(err)
	}
	if len(replies) == 0 {
		return nil
	}
	var answer any = replies
	if len(replies) == 1 {
		answer = replies[0]
	}
	output, err := json.Marshal(answer)
	if err != nil {
		return failure(Permanent("invalid-reply", err.Error()))
	}
	return output
}
