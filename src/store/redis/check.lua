return {'ok', id, writes}
