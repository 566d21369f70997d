"""What phones speak with: enrolment, rounds, uploads. Handlers translate; services and accounts do."""
