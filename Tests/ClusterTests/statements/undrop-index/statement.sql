UNDROP INDEX @by_owner;
