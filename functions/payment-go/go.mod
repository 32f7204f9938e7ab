module payment-go

go 1.24
