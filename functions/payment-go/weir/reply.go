package weir

import (
	"encoding/json"
	"fmt"
)

// A Reply is an event that the function answers with. The host fills in an empty ID and Source.
type Reply struct {
	Type string
	// Derive it from the event's, so that the reply to a repeated event can be recognized.
	ID      string
	Source  string
	Subject string
	// Extension attributes. Names are lower-case letters and digits.
	Extensions map[string]string
	// What becomes the payload, as JSON; nil: none.
	Data any
}

// Replies are what a handler returns when all went well.
func Replies(replies ...Reply) ([]Reply, error) { return replies, nil }

// MarshalJSON writes a CloudEvent in the structured format.
func (reply Reply) MarshalJSON() ([]byte, error) {
	members := map[string]any{"specversion": "1.0", "type": reply.Type}
	for name, value := range map[string]string{"id": reply.ID, "source": reply.Source, "subject": reply.Subject} {
		if value != "" {
			members[name] = value
		}
	}
	for name, value := range reply.Extensions {
		members[name] = value
	}
	if reply.Data != nil {
		members["datacontenttype"] = "application/json"
		members["data"] = reply.Data
	}
	return json.Marshal(members)
}

// An Error says why there is no answer, and whether trying again may help.
type Error struct {
	Retry bool `json:"retry"`
	// A short, stable word for programs.
	Code string `json:"code"`
	// A sentence for people.
	Message string `json:"message"`
}

func (err *Error) Error() string { return err.Code + ": " + err.Message }

// Permanent is the error of an event that will fail however often it is tried.
func Permanent(code, message string) error { return &Error{Code: code, Message: message} }

// Retryable is the error of what may succeed later. So is every error that is no Error; its code is "error".
func Retryable(code, message string) error { return &Error{Retry: true, Code: code, Message: message} }

func failure(err error) []byte {
	told, ok := err.(*Error)
	if !ok {
		told = &Error{Retry: true, Code: "error", Message: err.Error()}
	}
	text, err := json.Marshal(map[string]*Error{"error": told})
	if err != nil {
		panic(fmt.Sprintf("texts and a flag are JSON: %v", err))
	}
	return text
}
