// Package weir is what a function in Go is written with: a handler is given an Event and returns what it answers.
//
//	func main() {}
//	func init() { weir.Handle(handle) }
//
//	func handle(event weir.Event) ([]weir.Reply, error) {
//		var order Order
//		if err := event.Data(&order); err != nil {
//			return nil, err
//		}
//		return weir.Replies(weir.Reply{Type: "order.seen", ID: event.ID + "/seen", Data: order})
//	}
//
// Built with GOOS=wasip1 GOARCH=wasm and -buildmode=c-shared, that is a whole function. On this machine Respond calls it.
package weir

import (
	"encoding/json"
	"fmt"
)

// An Event is a CloudEvent, as the function is given it.
type Event struct {
	ID              string
	Source          string
	Type            string
	Subject         string
	Time            string
	DataSchema      string
	DataContentType string
	// Extension attributes, as JSON.
	Extensions map[string]json.RawMessage
	// The payload as JSON. Data reads it.
	RawData json.RawMessage
	// A payload that is no text.
	DataBase64 []byte
}

// Data reads the payload into what v points at. What has another shape is a permanent error.
func (event Event) Data(v any) error {
	if len(event.RawData) == 0 {
		return Permanent("invalid-data", "data: there is none")
	}
	if err := json.Unmarshal(event.RawData, v); err != nil {
		return Permanent("invalid-data", fmt.Sprintf("data: %v", err))
	}
	return nil
}

// UnmarshalJSON reads a CloudEvent in the structured format.
func (event *Event) UnmarshalJSON(text []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	*event = Event{}
	attributes := map[string]any{
		"id": &event.ID, "source": &event.Source, "type": &event.Type, "subject": &event.Subject, "time": &event.Time,
		"dataschema": &event.DataSchema, "datacontenttype": &event.DataContentType, "data": &event.RawData,
		"data_base64": &event.DataBase64, "specversion": new(string),
	}
	for name, value := range members {
		into, known := attributes[name]
		if !known {
			if event.Extensions == nil {
				event.Extensions = map[string]json.RawMessage{}
			}
			event.Extensions[name] = value
		} else if err := json.Unmarshal(value, into); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if event.ID == "" || event.Source == "" || event.Type == "" {
		return fmt.Errorf("the event lacks id, source or type")
	}
	return nil
}
