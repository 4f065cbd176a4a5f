module stet.example/stet

go 1.19
