UNDROP INDEX @one_name;
