// Module Transactions.
