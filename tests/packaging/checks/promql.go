package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// What a selector asks for: a metric, the labels that it and what is around it name, and the values that it compares with.
type asked struct {
	Metric string   `json:"metric"`
	Labels []string `json:"labels"`
	Values []string `json:"values"`
}

func promql(in io.Reader, out io.Writer) error {
	var expressions []string
	if err := json.NewDecoder(in).Decode(&expressions); err != nil {
		return err
	}
	found := make([][]asked, 0, len(expressions))
	for _, text := range expressions {
		expression, err := parser.ParseExpr(text)
		if err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
		selectors := []asked{}
		parser.Inspect(expression, func(node parser.Node, path []parser.Node) error {
			selector, is := node.(*parser.VectorSelector)
			if !is {
				return nil
			}
			one := asked{Metric: selector.Name, Labels: []string{}, Values: []string{}}
			for _, matcher := range selector.LabelMatchers {
				if matcher.Name == labels.MetricName {
					continue
				}
				one.Labels = append(one.Labels, matcher.Name)
				if matcher.Type == labels.MatchEqual || matcher.Type == labels.MatchNotEqual {
					one.Values = append(one.Values, matcher.Value)
				}
			}
			for _, above := range path {
				if aggregate, is := above.(*parser.AggregateExpr); is && !aggregate.Without {
					one.Labels = append(one.Labels, aggregate.Grouping...)
				}
				if binary, is := above.(*parser.BinaryExpr); is && binary.VectorMatching != nil {
					one.Labels = append(one.Labels, binary.VectorMatching.MatchingLabels...)
				}
			}
			slices.Sort(one.Labels)
			one.Labels = slices.Compact(one.Labels)
			selectors = append(selectors, one)
			return nil
		})
		found = append(found, selectors)
	}
	return json.NewEncoder(out).Encode(found)
}
