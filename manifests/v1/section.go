package v1

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// UnitSection is added to one section of the unit: setting → values,
// in order. In YAML a value is a string, number or boolean, or a list of them; a
// list gives one line each.
type UnitSection map[string]Values

// Values are the values of one systemd setting, one line each.
type Values []string

// UnmarshalJSON takes a scalar or a list of scalars. Booleans become systemd's yes
// and no.
func (v *Values) UnmarshalJSON(data []byte) error {
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		items = []json.RawMessage{data}
	}
	values := make(Values, 0, len(items))
	for _, item := range items {
		value, err := scalar(item)
		if err != nil {
			return err
		}
		values = append(values, value)
	}
	*v = values
	return nil
}

func scalar(data json.RawMessage) (string, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "", err
	}
	switch value := value.(type) {
	case string:
		return value, nil
	case json.Number:
		return value.String(), nil
	case bool:
		if value {
			return "yes", nil
		}
		return "no", nil
	default:
		return "", fmt.Errorf("want a string, number or boolean, or a list of them, got %s", data)
	}
}
