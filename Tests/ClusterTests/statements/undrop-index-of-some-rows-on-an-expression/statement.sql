UNDROP INDEX @by_name;
