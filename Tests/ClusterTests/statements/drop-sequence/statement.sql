DROP SEQUENCE @numbers;
