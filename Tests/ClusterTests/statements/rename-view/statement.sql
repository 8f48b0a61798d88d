ALTER VIEW @fleet RENAME TO @navy;
