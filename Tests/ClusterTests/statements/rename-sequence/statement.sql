ALTER SEQUENCE @numbers RENAME TO @digits;
