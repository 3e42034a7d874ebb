package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Image is a whole store as it was at one moment, tokens and events included: what
// its file would have in it. It is known to be sound, and of this version. The zero
// Image is none.
type Image struct{ content []byte }

// Bytes are what [ReadImage] makes the image of again: every hash is in there. They
// must not be changed.
func (i Image) Bytes() []byte { return i.content }

// Image returns the store as it is.
func (s *Store) Image(ctx context.Context) (Image, error) {
	done, err := s.list(ctx)
	if err != nil {
		return Image{}, err
	}
	defer done()
	c, err := s.reader.Conn(ctx)
	if err != nil {
		return Image{}, wrap(err)
	}
	defer func() { _ = c.Close() }() // gives it back to the pool
	// The pages are read one by one: a transaction has them be of one moment.
	t, err := c.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return Image{}, wrap(err)
	}
	defer func() { _ = t.Rollback() }()
	if err := t.QueryRowContext(ctx, `SELECT count(*) FROM directory`).Scan(new(int)); err != nil {
		return Image{}, wrap(err)
	}
	var i Image
	err = c.Raw(func(driver any) (err error) {
		i.content, err = driver.(interface{ Serialize() ([]byte, error) }).Serialize()
		return err
	})
	if err != nil {
		return Image{}, wrap(err)
	}
	return i, nil
}

// OpenImage opens a new store at o.Path, where no file may be, that has all that the
// image has. Errors: as [Open], fs.ErrExist, ErrLog.
func OpenImage(ctx context.Context, o Options, i Image) (*Store, error) {
	if i.content == nil {
		return nil, errors.New("storage: there is no image")
	}
	s, err := open(ctx, o, &i)
	if err != nil {
		return nil, fmt.Errorf("storage: open %s: %w", o.Path, err)
	}
	return s, nil
}

// writeFile makes the file at path, which survives a power cut unless it is volatile.
func (i *Image) writeFile(path string, volatile bool) error {
	if err := checkNoLog(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(i.content)
	if err == nil && !volatile {
		err = errors.Join(f.Sync(), syncFolder(path))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// ReadImage makes an image of the bytes of one, or of a store's file, by this or an
// older version of this package. Errors: ErrDamaged; it is not a store, or was
// written by a newer version.
func ReadImage(ctx context.Context, content []byte) (Image, error) {
	i, err := readImage(ctx, content)
	if err != nil {
		return Image{}, fmt.Errorf("storage: read an image: %w", damaged(err))
	}
	return i, nil
}

func readImage(ctx context.Context, content []byte) (i Image, err error) {
	folder, remove, err := TempFolder("image")
	if err != nil {
		return Image{}, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	path := filepath.Join(folder, "image.db")
	if err := (&Image{content}).writeFile(path, true); err != nil {
		return Image{}, err
	}
	if err := checkTables(ctx, path); err != nil {
		return Image{}, err
	}
	r, err := check(ctx, path)
	switch {
	case err != nil:
		return Image{}, err
	case len(r.Problems) > 0:
		return Image{}, fmt.Errorf("%w: %s", ErrDamaged, r.Problems[0])
	}
	s, err := open(ctx, Options{Path: path, Volatile: true}, nil) // which brings it up to date
	if err != nil {
		return Image{}, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Image(ctx)
}
